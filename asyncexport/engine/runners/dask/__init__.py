"""Transfers on the workers of a Dask cluster. Only what imports a module of this package needs ``distributed``."""
