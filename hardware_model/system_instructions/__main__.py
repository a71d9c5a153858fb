"""Print the documentation page of the table of system instructions."""

from hardware_model.system_instructions.document import page

print(page(), end="")
