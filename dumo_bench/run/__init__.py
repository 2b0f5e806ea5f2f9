"""From a request to tables: plan, jobs, fit, generate, score, manifest."""
