"""PostgreSQL for modules: life cycle, unit of work, query log, base models, migrations.

This package imports nothing, so that a module's settings cost no driver.
"""
