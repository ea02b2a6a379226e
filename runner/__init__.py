"""retrain-runner: declarative retraining of hosted Prediction One models."""

__version__ = "0.3.0"
