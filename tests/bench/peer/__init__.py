"""The module `api` as a peer of other frameworks' servers: see `docs/performance.md`.

The peers' contract names some things differently. What differs is translated by one ASGI layer in
front of the application that is served in production: `adapter.py`. Everything behind it is on:
context, access log, query log, cache log, metrics, headers, token check, idempotency, outbox and
relay.
"""
