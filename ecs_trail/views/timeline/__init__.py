"""The linked timeline: one canvas of lanes for notebooks, its data model apart from the widget.

`model.board(frames, as_of)` turns the frames of a case into lanes, spans and marks (pure, no browser, no widget
library); `packing.pack` makes typed arrays of them; `widget.TimelineWidget` shows them; `notes` keeps what a person
wrote beside an event.
"""
