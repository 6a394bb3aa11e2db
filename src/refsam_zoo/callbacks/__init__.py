"""What hangs on a Lightning trainer and looks at predictions."""

from refsam_zoo.callbacks.masks import MaskWriter
from refsam_zoo.callbacks.protocol import ProtocolCallback
from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.callbacks.submission import SubmissionWriter

__all__ = ["EvaluationCallback", "MaskWriter", "ProtocolCallback", "SubmissionWriter"]
