"""The proof that nothing is lost: what ledger, parked store and database say, held against each other.

`account` and `coverage` compute, without a clock, a file or a connection; `gather` asks; `report` puts it into words.
"""
