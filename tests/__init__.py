"""Tests, one module for each module of the project."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that meet every few microseconds, over arrays of a few rows
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, and so by what tests start
