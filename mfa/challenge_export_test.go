package mfa

// What the tests of challenges count with.
const (
	OutcomeKept   = outcomeKept
	MaxOpen       = maxOpen
	MaxOpenAsker  = maxOpenAsker
	MaxOpenAll    = maxOpenAll
	MaxListed     = maxListed
	MaxWaits      = maxWaits
	MaxWaitsAsker = maxWaitsAsker
	MaxWaitsAll   = maxWaitsAll
	MaxRefused    = maxRefused
)

// Sizes counts what is in the table.
func (t *Challenges) Sizes() (open, ended, shares int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if all := t.shares[share{}]; all != nil {
		open, ended = all.open, len(all.ended)
	}
	if open+ended != len(t.byID) {
		panic("challenges are counted wrongly")
	}
	return open, ended, len(t.shares)
}
