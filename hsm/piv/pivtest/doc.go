// Package pivtest is a virtual YubiKey for tests: the PIV application of the
// card in memory, put into a reader of the real PC/SC stack, so that any program
// that speaks to a YubiKey speaks to it.
//
// Most tests need two calls: [Start] gives a card in a reader of its own, and
// [Card.Environ] the environment in which child programs find that reader, and
// no other. [Card.Setenv] does the same for code in the test's own process.
// [Card.Touch], [Card.Eject] and [Card.Insert] are the person's hand.
//
//	card := pivtest.Start(t)
//	cmd := exec.Command("yubico-piv-tool", "-a", "status")
//	cmd.Env = append(os.Environ(), card.Environ()...)
//
// This is an emulation of a protocol, not a test of hardware. It shows that a
// program sends the right commands and minds the answers. It says nothing about
// the timing, the power, the radio, the random numbers or the faults of a real
// key, and its attestations chain to a root of its own, never to Yubico's. Where
// Yubico has not published what a key does, it follows NIST SP 800-73-4; its
// judges are programs written for real keys (see the package's tests).
//
// What differs from a key in a USB port:
//
//   - A reader has two slots, and stays when its card is taken out. A real key
//     takes its reader away with it.
//   - A touch that is withheld is refused at once, not after fifteen seconds.
//   - Keys are made in milliseconds, and kept in plain memory.
//   - The key that signs attestations is ECDSA on P-256.
//   - Fingerprints, the keys of FIPS models and secure messaging are not there.
//
// The stack is Debian's pcscd with the reader driver vsmartcard-vpcd. The driver
// listens on every address of the machine, so each [Start] runs them in network
// and mount namespaces of their own, where no card of the machine is seen either.
// That takes Linux, and root or unprivileged user namespaces; where it cannot be
// had, the test fails and says why.
//
// Commands are specified in NIST SP 800-73-4 part 2, Yubico's in
// https://developers.yubico.com/PIV/Introduction/Yubico_extensions.html.
package pivtest
