"""What stacks are made of: one way each to make a function, a queue, a workflow, a layer, an alarm."""
