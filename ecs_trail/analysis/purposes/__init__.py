"""What ECS does with an infrastructure role beside volumes and TLS: targets, listeners, Managed Instances."""
