package mfa

// What the tests of challenges count with.
const (
	OutcomeKept = outcomeKept
	MaxOpen     = maxOpen
	MaxOpenAll  = maxOpenAll
	MaxListed   = maxListed
	MaxWaits    = maxWaits
	MaxRefused  = maxRefused
)

// Sizes counts what is in the table.
func (t *Challenges) Sizes() (open, ended, askers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open, len(t.byID) - t.open, len(t.askers)
}
