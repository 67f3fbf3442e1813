"""How `contrafake.data.pack` packs: the plan, the work on one shard, and the folder in which all of it gathers."""
