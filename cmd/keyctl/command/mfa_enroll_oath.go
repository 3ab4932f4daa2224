package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/api/mfaapi"
)

func (c *cli) enrollOATH(ctx context.Context, o oathOptions) (err error) {
	p := c.person()
	defer p.leave()
	if err := o.check(p); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if o.user == "" && !o.noEnable {
		if o.user, err = cl.self(ctx); err != nil {
			return err
		}
	}
	in, err := c.oathInput(o)
	if err != nil {
		return err
	}
	var file *os.File
	if o.png != "" {
		// Opened first: the seed is shown once.
		if file, err = os.OpenFile(o.png, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				err = errors.Join(err, os.Remove(o.png))
			}
		}()
	}
	var made mfaapi.CreateOATHDeviceResponse
	if err := cl.createOATH(ctx, in, &made); err != nil {
		return err
	}
	doc, err := newEnrolledDoc(made, o, file)
	if err == nil {
		err = context.Cause(ctx) // given up since
	}
	if err == nil && !o.noEnable {
		err = c.enableNew(ctx, cl, p, o, &doc)
	}
	if err != nil {
		return errors.Join(err, cl.abandon(ctx, doc.SerialNumber))
	}
	return c.showEnrolled(doc, o)
}

// How long who gave up waits: for the answer to what was sent, and for what clears
// up behind it.
const (
	lastWord = 2 * time.Second
	clearing = 5 * time.Second
)

// createOATH makes the device. Given up in the middle, it waits a moment for the
// answer, which says whether there is a device to be deleted. Without one it deletes
// by name: what keyd did is not known, and a device of nobody is in the way.
func (cl *client) createOATH(ctx context.Context, in oathRequest, made *mfaapi.CreateOATHDeviceResponse) error {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastWord, cancel) })
	defer stop()
	err := cl.mfa.call(call, "CreateOATHDevice", in, made)
	if _, answered := errors.AsType[smithy.APIError](err); err == nil || answered || ctx.Err() == nil {
		return err
	}
	serial, unknown := cl.nameAfterAll(ctx, *in.DeviceName)
	if unknown != nil {
		return errors.Join(err, fmt.Errorf("a device of nobody may be left: keyctl mfa remove %s", *in.DeviceName))
	}
	return errors.Join(err, cl.abandon(ctx, serial))
}

// nameAfterAll is the serial number of a device by its name, for who has given up.
func (cl *client) nameAfterAll(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	return cl.mfaSerial(ctx, name)
}

// oathRequest is the input with its seed as bytes: the type of mfaapi's own is
// made never to be written.
type oathRequest struct {
	mfaapi.CreateOATHDeviceRequest
	Seed []byte `json:",omitempty"`
}

func (c *cli) oathInput(o oathOptions) (oathRequest, error) {
	in := oathRequest{CreateOATHDeviceRequest: mfaapi.CreateOATHDeviceRequest{
		DeviceName: &o.name, Type: &o.kind, Digits: &o.digits, Algorithm: &o.algorithm,
	}}
	if o.kind == mfaapi.OathTypeTotp {
		in.Period = &o.period
	} else {
		in.Counter = &o.counter
	}
	var err error
	if o.seedFile != "" {
		in.Seed, err = c.readSeed(o.seedFile)
	}
	return in, err
}

// newEnrolledDoc tells what was made; the picture goes to file, if there is one.
func newEnrolledDoc(made mfaapi.CreateOATHDeviceResponse, o oathOptions, file *os.File) (enrolledDoc, error) {
	doc := enrolledDoc{Type: string(o.kind), UserName: o.user, Out: o.png}
	if made.Device == nil || made.Device.SerialNumber == nil {
		return doc, failf(exitUnavailable, stranger.hint, "the answer names no device")
	}
	doc.SerialNumber = *made.Device.SerialNumber
	if file != nil {
		if _, err := file.Write(made.QRCodePNG); err != nil {
			return doc, err
		}
	} else {
		doc.QRCodePNG = made.QRCodePNG
	}
	if o.seedFile != "" {
		doc.QRCodePNG = nil // whoever gave the seed has it
		return doc, nil
	}
	if made.Base32StringSeed != nil && made.URI != nil {
		doc.Base32StringSeed, doc.URI = string(*made.Base32StringSeed), string(*made.URI)
	}
	return doc, nil
}

// abandon deletes a device that nobody got.
func (cl *client) abandon(ctx context.Context, serial string) error {
	if serial == "" {
		return nil
	}
	// What was interrupted is cleared up all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	_, err := cl.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
	if err != nil && !noEntity(err) {
		return fmt.Errorf("the device %s is left, and nobody's: keyctl mfa remove %s", serial, serial)
	}
	return nil
}
