package command

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // the hashes of hashOf
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// message is what is signed, or whose signature is verified: a text of any
// size, or its digest.
type message struct {
	input       input
	digest, raw bool
}

func (m *message) flags(cmd *cobra.Command) {
	m.input.flags(cmd.Flags())
	cmd.Flags().BoolVar(&m.digest, "digest", false, "the input is the message's digest: its bytes, or hexadecimal (as sha256sum prints it), or base64")
	cmd.Flags().BoolVar(&m.raw, "raw-message", false, "send the message as it is, or fail if it has more than 4,096 bytes")
	cmd.MarkFlagsMutuallyExclusive("digest", "raw-message")
}

const messageHelp = `The message is FILE or standard input. Of more than 4,096 bytes, which is all that
keyd takes, the digest is computed here and signed in its place; the signature is
the same, and a note on standard error says so.`

// hashOf returns the hash of a signing algorithm that signs digests too, and
// whether it is one.
func hashOf(algorithm types.SigningAlgorithmSpec) (crypto.Hash, bool) {
	name := string(algorithm)
	switch {
	case algorithm == types.SigningAlgorithmSpecEd25519Sha512: // signs the message itself (RFC 8032)
		return 0, false
	case strings.HasSuffix(name, "SHA_256"):
		return crypto.SHA256, true
	case strings.HasSuffix(name, "SHA_384"):
		return crypto.SHA384, true
	case strings.HasSuffix(name, "SHA_512"):
		return crypto.SHA512, true
	}
	return 0, false
}

// read returns what to send for the message, and as what.
func (m message) read(c *cli, algorithm types.SigningAlgorithmSpec) ([]byte, types.MessageType, error) {
	hash, hashes := hashOf(algorithm)
	if m.digest {
		if !hashes {
			return nil, "", usagef("leave --digest out and give the message", "%s: signs messages, not digests", algorithm)
		}
		digest, err := m.readDigest(c, hash)
		return digest, types.MessageTypeDigest, err
	}
	r, err := c.open(m.input)
	if err != nil {
		return nil, "", err
	}
	sent, kind, err := m.condense(c, r, algorithm)
	return sent, kind, errors.Join(err, r.Close())
}

// condense returns the message of r if it is short, or else its digest.
func (m message) condense(c *cli, r io.Reader, algorithm types.SigningAlgorithmSpec) ([]byte, types.MessageType, error) {
	start, err := io.ReadAll(io.LimitReader(r, maxPlaintext+1))
	if err != nil {
		return nil, "", err
	}
	hash, hashes := hashOf(algorithm)
	// The pre-hashed Ed25519 takes digests only.
	always := algorithm == types.SigningAlgorithmSpecEd25519PhSha512
	switch {
	case len(start) == 0:
		return nil, "", usagef("give a FILE, or pipe something in", "message: empty")
	case len(start) <= maxPlaintext && (m.raw || !always):
		return start, types.MessageTypeRaw, nil
	case m.raw:
		return nil, "", usagef("leave --raw-message out, and its digest is signed", "message: more than 4,096 bytes")
	case !hashes:
		return nil, "", usagef("sign the digest of it as a message, and say so to whoever verifies it", "message: more than 4,096 bytes, and %s signs no digests", algorithm)
	}
	h := hash.New()
	n, err := io.Copy(h, io.MultiReader(bytes.NewReader(start), r))
	if err != nil {
		return nil, "", err
	}
	if !always {
		fmt.Fprintf(c.err, "message: %d bytes, more than 4,096; its %s digest is sent\n", n, hash)
	}
	return h.Sum(nil), types.MessageTypeDigest, nil
}

// maxDigestText has room for a digest in hexadecimal and the name of a file, as
// sha512sum prints them.
const maxDigestText = 8192

// readDigest reads a digest in any of its forms.
func (m message) readDigest(c *cli, hash crypto.Hash) ([]byte, error) {
	b, err := c.read(m.input, maxDigestText)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, err
	}
	// Behind the digest there may be the name of a file.
	if words := strings.Fields(string(b)); err == nil && term.Printable(b) && len(words) > 0 {
		b = []byte(words[0])
	}
	if digest, ok := fixedBytes(b, hash.Size()); err == nil && ok {
		return digest, nil
	}
	return nil, usagef("leave --digest out, and the message is hashed for you", "digest: must be the %d bytes of %s, as they are, in hexadecimal or in base64", hash.Size(), hash)
}
