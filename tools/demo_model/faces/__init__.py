"""The face half of the demo model: recogniser and detector, and the judges that are not shipped."""
