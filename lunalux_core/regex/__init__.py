"""Regex scripts: their files, and the ECMAScript engine that runs them within a time limit."""
