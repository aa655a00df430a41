"""What every floor stands on: errors, seeds, devices, whole files, tensors, tables."""
