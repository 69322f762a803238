"""Events between modules: outbox, relay, broker, consumer, inbox.

A module adds an event to its `outbox.Outbox` in the transaction that makes it true. Its
`relay.Relay` publishes what has been committed. Another module's `consumer.Consumer` hands it to
handlers, whose effects commit together with a row in that module's `inbox.Inbox`: delivery is at
least once, effects happen once.

This package imports nothing, so that a contract (`event.Event`) costs no driver.
"""
