package pivtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readerName is what programs look for: most take a reader for a YubiKey by it.
const readerName = "Yubico YubiKey OTP+FIDO+CCID"

// firstPort is where vpcd waits for the card of the first slot; the others
// follow.
const firstPort = 35963

// slotsOfReader is how many slots each of vpcd's readers has.
const slotsOfReader = 2

// patience is how long the PC/SC daemon may take to notice something. It looks
// every 400 ms; the rest is for a busy machine.
const patience = 2 * time.Minute

// readerSlot is a place for one card.
type readerSlot struct {
	stack *stack
	name  string
	port  int

	// moving is held while a card is put in or taken out, until the daemon knows:
	// it would take a card that is back before it looked for one that never left,
	// and the driver would have no connection to it yet.
	moving sync.Mutex

	mu   sync.Mutex // guards conn
	conn *net.TCPConn
}

func newReaderSlot(s *stack, i int) *readerSlot {
	return &readerSlot{
		stack: s,
		name:  fmt.Sprintf("%s 00 %02X", friendlyName(i/slotsOfReader), i%slotsOfReader),
		port:  firstPort + i,
	}
}

// friendlyName is what the configuration calls a reader; the daemon adds two
// numbers. It counts readers of one driver, and here each has its own.
func friendlyName(reader int) string {
	if reader == 0 {
		return readerName
	}
	return fmt.Sprintf("%s [%d]", readerName, reader+1)
}

// insert connects the card to the driver and waits until the daemon sees it.
func (r *readerSlot) insert(c *Card) error {
	r.moving.Lock()
	defer r.moving.Unlock()
	if err := r.remove(); err != nil {
		return err
	}
	conn, err := r.dial()
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.conn = conn
	r.mu.Unlock()
	r.stack.cards.Go(func() { r.stack.note(c.serve(conn)) })
	return r.await(true)
}

// eject takes out what is in the slot.
func (r *readerSlot) eject() error {
	r.moving.Lock()
	defer r.moving.Unlock()
	return r.remove()
}

// remove closes the connection and waits until the daemon misses the card. It does
// not wait for the card, which may be in the middle of a touch; what the card
// should forget without power, it forgets when it gets power again.
func (r *readerSlot) remove() error {
	r.mu.Lock()
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	if conn == nil {
		return nil
	}
	// The card may have closed its end, when the daemon went.
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return r.await(false)
}

// dial connects to the driver, in whose network only a socket made there can.
func (r *readerSlot) dial() (*net.TCPConn, error) {
	deadline := time.Now().Add(patience)
	for {
		fd, err := r.stack.socket()
		if err != nil {
			return nil, err
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: r.port, Addr: [4]byte{127, 0, 0, 1}})
		if err == nil {
			return connection(fd)
		}
		_ = unix.Close(fd)
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("reader driver on port %d: %w", r.port, err)
		}
		time.Sleep(2 * time.Millisecond) // it does not listen yet
	}
}

// connection makes a connection of a connected socket.
func connection(fd int) (*net.TCPConn, error) {
	file := os.NewFile(uintptr(fd), "vpcd")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("socket to vpcd: is a %T", conn)
	}
	return tcp, tcp.SetNoDelay(true)
}

// await waits until the daemon says that a card is in the slot, or none.
func (r *readerSlot) await(present bool) error {
	deadline := time.Now().Add(patience)
	for {
		states, err := readerStates(r.stack.socketPath())
		if err == nil && states[r.name] == present {
			return nil
		}
		if late := time.Now().After(deadline); late && err != nil {
			return err
		} else if late {
			return fmt.Errorf("reader %q: pcscd still takes the card's presence for %t", r.name, !present)
		}
		select {
		case <-r.stack.dead:
			return errStackDead
		case <-time.After(5 * time.Millisecond):
		}
	}
}
