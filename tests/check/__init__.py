"""The rules that hold for the project as a whole: what `make check` runs.

A check is a function from a `Project` to what is wrong with it, a line each, with the place first.
One file a check; `python -m tests.check` runs all of them and reports everything at once. For each
rule there is a planted violation in tests/unit/check.
"""
