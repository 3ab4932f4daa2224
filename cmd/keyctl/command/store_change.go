package command

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/spf13/cobra"
)

// changeStore runs one operation on one custom key store and shows it after it.
func (c *cli) changeStore(ctx context.Context, name string, do func(cl *client, id *string) error) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	s, err := cl.store(ctx, name)
	if err != nil {
		return err
	}
	if err := do(cl, s.CustomKeyStoreId); err != nil {
		return err
	}
	return c.showStore(ctx, cl, aws.ToString(s.CustomKeyStoreId))
}

func newStoreConnect(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "connect STORE",
		Short:   "Log in to the token of a custom key store, so that its keys work",
		Example: "  keyctl store connect eu-hsm",
		Args:    cobra.ExactArgs(1),
		RunE:    c.run(func(ctx context.Context, args []string) error { return c.storeConnect(ctx, args[0]) }),
	}
	cmd.ValidArgsFunction = c.completeStore
	return cmd
}

// connecting is how often a store that is connecting is looked at.
const connecting = 200 * time.Millisecond

// storeConnect waits until the store is connected or has failed, which KMS does
// not: it is what whoever types this wants to know.
func (c *cli) storeConnect(ctx context.Context, name string) error {
	return c.changeStore(ctx, name, func(cl *client, id *string) error {
		if _, err := cl.kms.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: id}); err != nil {
			return err
		}
		for end := time.Now().Add(c.timeout); ; {
			s, err := cl.store(ctx, aws.ToString(id))
			if denied(err) {
				return nil
			}
			if err != nil {
				return err
			}
			switch doc := newStoreDoc(s); {
			case s.ConnectionState == types.ConnectionStateTypeFailed:
				return failf(exitUnavailable, "is the token there, and its password right? keyctl store disconnect, then update",
					"custom key store %s: %s", doc.CustomKeyStoreName, doc.connection())
			case s.ConnectionState != types.ConnectionStateTypeConnecting:
				return nil
			case time.Now().After(end):
				return failf(exitUnavailable, "see how it goes on: keyctl store list", "custom key store %s: still connecting", doc.CustomKeyStoreName)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(connecting):
			}
		}
	})
}

func newStoreDisconnect(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disconnect STORE",
		Short: "Log out of the token of a custom key store; its keys stop working",
		Long: `Log out of the token of a custom key store. When this command returns, its keys
do not work; keyctl store connect brings them back.`,
		Example: "  keyctl store disconnect eu-hsm",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.changeStore(ctx, args[0], func(cl *client, id *string) error {
				_, err := cl.kms.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: id})
				return err
			})
		}),
	}
	cmd.ValidArgsFunction = c.completeStore
	return cmd
}

type storeDeleteOptions struct {
	store string
	confirmation
}

func newStoreDelete(c *cli) *cobra.Command {
	o := &storeDeleteOptions{}
	cmd := &cobra.Command{
		Use:   "delete STORE",
		Short: "Remove a custom key store that has no keys and is not connected",
		Long: `Remove a custom key store. It must be disconnected and hold no keys, not even
ones that wait for their deletion. The token stays as it is.

On a terminal it asks for the store's name; elsewhere --yes is needed.`,
		Example: "  keyctl store disconnect eu-hsm && keyctl store delete eu-hsm",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.store = args[0]
			return c.storeDelete(ctx, *o)
		}),
	}
	o.confirmation.flag(cmd)
	cmd.ValidArgsFunction = c.completeStore
	return cmd
}

func (c *cli) storeDelete(ctx context.Context, o storeDeleteOptions) error {
	if err := o.possible(c, "custom key store "+o.store, "deletion"); err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	s, err := cl.store(ctx, o.store)
	if err != nil {
		return err
	}
	doc := newStoreDoc(s)
	if !o.yes {
		err := c.ask(question{"This removes a custom key store.", doc.table(), []string{doc.CustomKeyStoreName}, []string{doc.CustomKeyStoreID}, "store"})
		if err != nil {
			return err
		}
	}
	if _, err := cl.kms.DeleteCustomKeyStore(ctx, &kms.DeleteCustomKeyStoreInput{CustomKeyStoreId: s.CustomKeyStoreId}); err != nil {
		return err
	}
	return c.done(storeDoc{CustomKeyStoreID: doc.CustomKeyStoreID}, "custom key store %s: deleted", doc.CustomKeyStoreName)
}
