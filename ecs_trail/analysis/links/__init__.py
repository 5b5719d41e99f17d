"""Links: what blocked a task (`blocks`), and the judgement of every task (`judging`)."""
