"""The transcription service: image, task, permissions, scaling, alarms."""
