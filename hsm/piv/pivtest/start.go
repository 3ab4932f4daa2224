package pivtest

import (
	"errors"
	"sync"
)

// Start makes a card and puts it into a reader of its own. Both are gone when
// the test ends.
func Start(t TB, options ...Option) *Card {
	t.Helper()
	c := New(t, options...)
	StartAll(t, c)
	return c
}

// StartAll puts several cards side by side, each into its own slot of readers
// that one PC/SC daemon has, in that order. They are gone when the test ends.
func StartAll(t TB, cards ...*Card) {
	t.Helper()
	s, err := startStack(len(cards))
	if err != nil {
		t.Fatalf("virtual card reader: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Fatalf("virtual card reader: %v", err)
		}
	})
	for i, c := range cards {
		if err := c.socket.place(s.slots[i]); err != nil {
			t.Fatalf("virtual card: %v", err)
		}
		if err := s.slots[i].insert(c); err != nil {
			t.Fatalf("virtual card: %v%s", err, s.said())
		}
	}
}

// socket is where a card stands.
type socket struct {
	mu   sync.Mutex  // guards slot
	slot *readerSlot // nil for a card that was never in a reader
}

var errNoReader = errors.New("card was never put into a reader")

func (s *socket) place(slot *readerSlot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slot != nil {
		return errors.New("card stands in a reader already")
	}
	s.slot = slot
	return nil
}

func (s *socket) where() (*readerSlot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slot == nil {
		return nil, errNoReader
	}
	return s.slot, nil
}

// Eject pulls the card. When it returns, the PC/SC daemon knows; a command that
// was under way has failed. Pulling a card that is out does nothing.
func (c *Card) Eject() error {
	slot, err := c.socket.where()
	if err != nil {
		return err
	}
	return slot.eject()
}

// Insert puts the card back into its slot. When it returns, the PC/SC daemon
// knows. Whatever stood in the slot is taken out first; a [Card.Eject] that is
// under way, as in the middle of a touch, is waited for.
func (c *Card) Insert() error {
	slot, err := c.socket.where()
	if err != nil {
		return err
	}
	return slot.insert(c)
}

// Swap takes the card out and puts another, which stands in no reader, into its
// slot.
func (c *Card) Swap(other *Card) error {
	slot, err := c.socket.where()
	if err != nil {
		return err
	}
	if err := other.socket.place(slot); err != nil {
		return err
	}
	return slot.insert(other)
}

// Reader returns the name of the reader, as PC/SC knows it; empty for a card
// that was never in one.
func (c *Card) Reader() string {
	slot, err := c.socket.where()
	if err != nil {
		return ""
	}
	return slot.name
}
