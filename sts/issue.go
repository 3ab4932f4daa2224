package sts

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyd-hsm/keyd/iam"
)

// Credentials are temporary credentials as they were issued.
type Credentials struct {
	AccessKeyID   string
	Secret, Token iam.Secret
	Expires       time.Time
	// Packed is how much of the space for session policies and tags is used, in percent.
	Packed int
	// Holder is who calls with them.
	Holder iam.Principal
}

// issue makes credentials for a session that lasts from now on.
func (s *Service) issue(ctx context.Context, f *facts, lasts time.Duration) (*Credentials, error) {
	id, secret, err := s.newKey()
	if err != nil {
		return nil, err
	}
	now := s.Clock().UTC()
	f.Version, f.AccessKeyID, f.Secret = factsVersion, id, secret
	f.Issued, f.Expires = now, now.Add(lasts).Truncate(time.Second) // clients are told seconds
	f.bind()
	token, packed, err := s.seal(ctx, f)
	if err != nil {
		return nil, err
	}
	holder, err := s.principal(ctx, f)
	if err != nil {
		return nil, err
	}
	return &Credentials{
		AccessKeyID: id, Secret: secret, Token: token, Expires: f.Expires, Packed: packed, Holder: holder,
	}, nil
}

// newKey makes an access key of AWS's form: an id of 20 characters that begins
// with ASIA and holds the account as AWS's do, 39 bits of it random, and a
// secret of 40 characters from 240 random bits.
func (s *Service) newKey() (id string, secret iam.Secret, err error) {
	account, err := strconv.ParseUint(s.Account, 10, accountBits)
	if err != nil {
		return "", "", fmt.Errorf("account %q: %w", s.Account, err)
	}
	b := make([]byte, 10+30)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	// One bit that AWS sets, 40 bits of account, and 39 random bits.
	head := 1<<63 | account<<23 | binary.BigEndian.Uint64(b)&(1<<23-1)
	binary.BigEndian.PutUint64(b, head)
	return temporary + base32.StdEncoding.EncodeToString(b[:10]),
		iam.Secret(base64.StdEncoding.EncodeToString(b[10:])), nil
}

const (
	temporary   = "ASIA"
	accountBits = 40 // 12 decimal digits
)

// AccountOf reads the account that the id of a temporary access key holds. Such
// ids are not recorded: whether this one was ever given out is not known.
func AccountOf(accessKeyID string) (string, bool) {
	text, ok := strings.CutPrefix(accessKeyID, temporary)
	b, err := base32.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) != 10 {
		return "", false
	}
	return fmt.Sprintf("%012d", binary.BigEndian.Uint64(b)>>23&(1<<accountBits-1)), true
}
