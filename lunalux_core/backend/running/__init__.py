"""How the service is put together and kept running: settings, services, logs, metrics."""
