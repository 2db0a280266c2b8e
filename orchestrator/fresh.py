"""Gives every trial the same process, whatever ran in it before."""

import gc
import random


def reset_process() -> None:
    """One torch thread, fixed global generators, torch's defaults, no garbage of an earlier trial.

    Trials draw from their own streams; fixing the global ones makes a stray draw repeatable instead of
    dependent on which trial used the process before.
    """
    import numpy as np
    import torch

    gc.collect()
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002, TID251 - the global generator itself is what must be reset
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
