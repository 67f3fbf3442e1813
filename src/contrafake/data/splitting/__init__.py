"""What dividing a set needs: its columns, what must stay together, and how units are given to splits."""
