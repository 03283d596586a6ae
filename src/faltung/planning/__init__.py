"""What will run? Problems, their cost, and the plan that answers one."""
