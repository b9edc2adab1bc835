"""HTTP: the application, its middleware, its routes, refusals and limits."""
