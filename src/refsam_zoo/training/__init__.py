"""Training: the LightningModule, its losses and its optimiser."""
