"""What every entry of a registry must do, as classes of tests: the project's own entries and those of plugins alike.

Subclass one in a test module under a name that begins with `Test`, and say which entry, with which parameters:

    class TestNarrow(ModelContract):
        entry = ENTRY
        examples = ({}, {"width": 3})

Pytest collects the tests; nothing needs to be installed, and pytest is not imported here.
"""
