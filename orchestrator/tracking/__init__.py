"""The mirror in W&B: runs of finished trials (`push`), runs while trials train (`live`), a report (`report`).

All of it is made from the store, beside a sweep or after it, never inside a trial. `door` is the only file that
imports wandb, `report` the only one that imports wandb_workspaces.
"""
