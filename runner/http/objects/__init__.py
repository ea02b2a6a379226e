"""Object stores: addresses, the library and its errors once; `bucket.py` is for a state."""
