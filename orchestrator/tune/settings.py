"""What Ray and Tune are told, whichever process starts them."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Trials pass nothing through Ray's object store; its default is a third of the memory."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",
}
"""Environment variables of the driver."""
