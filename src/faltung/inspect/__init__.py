"""What does a network do? Its report card, and its simplification with a certificate."""
