"""The face models of the demo model: recogniser and detector, and the judges, which are not shipped."""
