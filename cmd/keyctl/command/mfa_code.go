package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// askCodes asks the person for a code, and again after a wrong one while keyd
// takes more.
func askCodes(ctx context.Context, mc *mfaclient.Client, p *person, ch protocol.Challenge) error {
	for try := 1; ; try++ {
		code, err := p.secret(ctx, fmt.Sprintf("Code of %s (%s): ", ch.User, markSpaces(ch.Purpose)), "a code", "use --code or --piv")
		if err != nil {
			return err
		}
		err = mc.Answer(ctx, ch.ID, protocol.Answer{Code: strings.TrimSpace(code)})
		refusal, refused := errors.AsType[*protocol.Error](err)
		if !refused || refusal.Code != protocol.CodeRefused || try == codeTries {
			return err
		}
		p.say("That was refused. A code is good once.")
	}
}

// maxCode is more than any code, in bytes.
const maxCode = 256

// readCode reads a code as pam_exec gives it: ended by NUL, newline or the input.
func readCode(r io.Reader) (string, error) {
	in := bufio.NewReader(io.LimitReader(r, maxCode))
	var code strings.Builder
	for {
		b, err := in.ReadByte()
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if err != nil || b == 0 || b == '\n' {
			break
		}
		code.WriteByte(b)
	}
	text := strings.TrimSpace(code.String())
	if text == "" {
		return "", fmt.Errorf("code: %w", errNotGiven)
	}
	return text, nil
}
