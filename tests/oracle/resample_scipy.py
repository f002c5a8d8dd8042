#!/usr/bin/env python3
"""Golden values for the resampler: scipy.signal.resample_poly on band-limited sums of sinusoids.

needs: numpy scipy          run: python resample_scipy.py > ../golden/resample_scipy.txt
Line format: up down fs n  then the outputs from a third to two thirds of the signal (both filters' edges are elsewhere).
"""
import numpy as np
import scipy
from scipy.signal import firwin, resample_poly

CASES = [(1, 5, 500.0), (1, 4, 400.0), (25, 18, 360.0), (2, 1, 250.0), (5, 4, 400.0), (1, 10, 1000.0)]


def signal(n, fs, low):
    """Frequencies inside 0.8 of the lower Nyquist frequency, so that every proper filter passes them."""
    t = np.arange(n) / fs
    return sum(a * np.sin(2 * np.pi * f * low * t + p) for a, f, p in [(1, 0.03, 0.1), (0.5, 0.21, 1.0), (0.25, 0.37, 2.0)])


print(f"# scipy {scipy.__version__} numpy {np.__version__}: python resample_scipy.py")
for up, down, fs in CASES:
    n = 1200
    low = min(fs, fs * up / down)
    # scipy's default window is short; a long Kaiser filter makes its pass-band as flat as the claim that is tested
    rate = max(up, down)
    taps = firwin(2 * 24 * rate + 1, 0.95 / rate, window=("kaiser", 8.0))
    y = resample_poly(signal(n, fs, low), up, down, window=taps)
    a, b = len(y) // 3, len(y) // 3 + 60
    print(up, down, fs, n, a, *(f"{v:.9f}" for v in y[a:b]))
