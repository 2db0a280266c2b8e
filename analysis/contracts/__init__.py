"""What every figure and claim must do, as classes of tests: the project's own and those of plugins alike.

Subclass one in a test module under a name that begins with `Test`; pytest collects the tests, and is not imported here.
The stores that they read are made up (`analysis.contracts.worlds`).
"""
