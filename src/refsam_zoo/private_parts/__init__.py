"""What other packages do not publish and refsam-zoo needs all the same: one file per package, nowhere else."""
