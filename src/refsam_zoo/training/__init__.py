"""Training: the LightningModule, its losses and its optimiser."""

from refsam_zoo.data_modules.base import join_lightning

join_lightning()
