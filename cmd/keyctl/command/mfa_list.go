package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/internal/term"
)

func newMFAList(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [USER]",
		Short: "MFA devices of a user, or your own",
		Long: `MFA devices of a user, or your own: what each is, whether its card attested the key,
when it wants a touch, and whether too many wrong codes have locked it.`,
		Example: "  keyctl mfa list alice",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			found, err := cl.describeMFA(ctx, first(args))
			if err != nil {
				return err
			}
			return c.showMFAList(found)
		}),
	}
	return cmd
}

func (cl *client) describeMFA(ctx context.Context, user string) (out mfaapi.DescribeMFADevicesResponse, err error) {
	err = cl.mfa.call(ctx, "DescribeMFADevices", mfaapi.DescribeMFADevicesRequest{UserName: optional(user)}, &out)
	return out, err
}

// mfaListDoc is the JSON of mfa list.
type mfaListDoc struct {
	UserName          string
	MFADevices        []mfaDeviceDoc
	Failures          int32
	Locked            bool
	RecoveryCodesLeft int32
}

// mfaDeviceDoc is the JSON of a device.
type mfaDeviceDoc struct {
	UserName, SerialNumber, Type string
	EnableDate                   time.Time
	Digits, Period               int32  `json:",omitempty"`
	Algorithm                    string `json:",omitempty"`
	Slot                         string `json:",omitempty"`
	PublicKeySHA256              []byte `json:",omitempty"`
	KeyAlgorithm                 string `json:",omitempty"`
	Attested                     bool
	CardSerial                   int64  `json:",omitempty"`
	Firmware                     string `json:",omitempty"`
	PINPolicy                    string `json:",omitempty"`
	TouchPolicy                  string `json:",omitempty"`
	Failures                     int32
	Locked                       bool
}

func newDeviceDoc(d mfaapi.Device) mfaDeviceDoc {
	return mfaDeviceDoc{
		UserName: aws.ToString(d.UserName), SerialNumber: aws.ToString(d.SerialNumber), Type: string(value(d.Type)),
		EnableDate: value(d.EnableDate).UTC(), Digits: value(d.Digits), Period: value(d.Period), Algorithm: string(value(d.Algorithm)),
		Slot: aws.ToString(d.Slot), PublicKeySHA256: d.PublicKeySHA256, KeyAlgorithm: aws.ToString(d.KeyAlgorithm),
		Attested: value(d.Attested), CardSerial: value(d.CardSerial), Firmware: aws.ToString(d.Firmware),
		PINPolicy: aws.ToString(d.PINPolicy), TouchPolicy: aws.ToString(d.TouchPolicy),
		Failures: value(d.Failures), Locked: value(d.Locked),
	}
}

// value is what p points to, or zero.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (c *cli) showMFAList(found mfaapi.DescribeMFADevicesResponse) error {
	doc := mfaListDoc{
		UserName: aws.ToString(found.UserName), MFADevices: []mfaDeviceDoc{}, Failures: value(found.Failures),
		Locked: value(found.Locked), RecoveryCodesLeft: value(found.RecoveryCodesLeft),
	}
	t := term.NewTable("SERIAL NUMBER", "TYPE", "ATTESTED", "TOUCH", "STATE", "ENABLED")
	for _, device := range found.Devices {
		d := newDeviceDoc(device)
		doc.MFADevices = append(doc.MFADevices, d)
		t.Row(d.SerialNumber, d.Type, d.attested(), orDash(d.TouchPolicy), standing(d.Locked || doc.Locked, d.Failures), when(d.EnableDate))
	}
	if err := c.show(doc, t); err != nil || c.format == outputJSON {
		return err
	}
	return c.write([]byte(term.Clean(fmt.Sprintf("%s: %s; %d recovery codes left", doc.UserName, standing(doc.Locked, doc.Failures), doc.RecoveryCodesLeft)) + "\n"))
}

// attested says so of keys; codes have nothing to attest.
func (d mfaDeviceDoc) attested() string {
	switch {
	case d.Type != string(mfaapi.DeviceTypePiv):
		return "-"
	case d.Attested:
		return "yes"
	}
	return "no"
}

// standing is how guessing at a device or user has left it.
func standing(locked bool, failures int32) string {
	switch {
	case locked:
		return "locked"
	case failures == 1:
		return "ok (1 wrong answer)"
	case failures > 1:
		return fmt.Sprintf("ok (%d wrong answers)", failures)
	}
	return "ok"
}

// deviceFacts is a device for people.
func deviceFacts(device mfaapi.Device) *term.Table {
	d, t := newDeviceDoc(device), term.NewTable()
	t.Row("serial number", d.SerialNumber)
	t.Row("user", d.UserName)
	t.Row("key", strings.TrimSpace(d.KeyAlgorithm+" in slot "+d.Slot))
	t.Row("attested", d.attested())
	if d.Attested {
		t.Row("YubiKey", fmt.Sprintf("%d, firmware %s", d.CardSerial, d.Firmware))
		t.Row("PIN", d.PINPolicy)
		t.Row("touch", d.TouchPolicy)
	}
	return t
}
