"""Options of the verbs that launch trials."""

from typing import Annotated

import typer

LocalOption = Annotated[bool, typer.Option("--local", help="In this process, without Ray.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="Of a running Ray cluster.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Trials at once on this machine.")]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", help="Wall seconds for each attempt; its checkpoint is kept.")
]


CodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-code", help="Import module:object that the sweep names, also from this folder: read it first."
    ),
]


JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON line for whatever happens, and nothing else.")]
WandbOption = Annotated[
    str | None, typer.Option("--wandb", metavar="MODE", help="Show trials live in W&B: offline or online.")
]
ProjectOption = Annotated[str, typer.Option("--wandb-project", help="With --wandb.")]
EntityOption = Annotated[str | None, typer.Option("--wandb-entity", help="With --wandb: user or team.")]
