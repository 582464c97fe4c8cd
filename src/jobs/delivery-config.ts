import { z } from 'zod'
import { readVariables } from '#config.ts'

const environment = z.object({
  /** smtp://user:password@host:587 or smtps://…; absent: mail is kept in the table outgoing_mail. */
  SMTP_URL: z
    .string()
    .regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://')
    .optional(),
  MAIL_FROM: z.string().min(3).default('ATUM DESK <desk@localhost>'),
  /** Lets webhooks reach loopback and private networks: for development, or where the receivers live beside the service. */
  WEBHOOK_ALLOW_PRIVATE: z.stringbool().default(false),
})
export type DeliveryConfig = z.infer<typeof environment>

/** How mail and webhooks leave the service. @throws ConfigError that names a wrong variable */
export const readDeliveryConfig = (variables?: Record<string, string | undefined>): DeliveryConfig => readVariables(environment, variables)
