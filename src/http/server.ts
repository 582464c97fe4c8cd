import { randomUUID } from 'node:crypto'
import sensible from '@fastify/sensible'
import { serializerCompiler, validatorCompiler } from '@fastify/type-provider-zod'
import Fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { LIMITS } from '#config.ts'
import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import type { Logger } from '#log.ts'
import { accountMails } from './account-mails.ts'
import { readBearers } from './bearers.ts'
import { startGauges } from './gauges.ts'
import { startNotifier } from './notifier.ts'
import { readBodiesStrictly } from './plugins/bodies.ts'
import { serveConsole } from './plugins/console.ts'
import { document } from './plugins/documentation.ts'
import { observe } from './plugins/observation.ts'
import { answerOldPaths } from './old-paths.ts'
import { answerWithProblems, sendProblem } from './plugins/problems.ts'
import { limitRates } from './plugins/rate-limit.ts'
import { hardenHeaders } from './plugins/security.ts'
import { requireAuthority } from './plugins/sign-in.ts'
import { traceRequests } from './plugins/tracing.ts'
import { agentGroupRoutes } from './routes/agent-groups.ts'
import { attachmentRoutes } from './routes/attachments.ts'
import { apiTokenRoutes } from './routes/api-tokens.ts'
import { aiRoutes } from './routes/ai.ts'
import { auditRoutes } from './routes/audit.ts'
import { authRoutes } from './routes/auth.ts'
import { cannedResponseRoutes } from './routes/canned-responses.ts'
import { commentRoutes } from './routes/comments.ts'
import { databaseHealthRoutes } from './routes/database-health.ts'
import { deskMetricsRoutes } from './routes/desk-metrics.ts'
import { engineRoutes } from './routes/engine.ts'
import { eventRoutes } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { jobBulkRoutes } from './routes/job-bulk.ts'
import { jobEnqueueRoutes } from './routes/job-enqueue.ts'
import { jobMoveRoutes } from './routes/job-moves.ts'
import { jobViewRoutes } from './routes/job-views.ts'
import { jobRoutes } from './routes/jobs.ts'
import { kbArticleChangeRoutes } from './routes/kb-article-changes.ts'
import { kbArticleRoutes } from './routes/kb-articles.ts'
import { kbCategoryRoutes } from './routes/kb-categories.ts'
import { kbFeedbackRoutes } from './routes/kb-feedback.ts'
import { kbVoteRoutes } from './routes/kb-votes.ts'
import { machineFlowRoutes } from './routes/machine-flow.ts'
import { machineThingRoutes } from './routes/machine-things.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { organizationRoutes } from './routes/organizations.ts'
import { presenceRoutes } from './routes/presence.ts'
import { queueHistoryRoutes } from './routes/queue-history.ts'
import { mailboxRoutes } from './routes/mailbox.ts'
import { passwordRoutes } from './routes/passwords.ts'
import { queueRoutes } from './routes/queues.ts'
import { recoveryCodeRoutes } from './routes/recovery-codes.ts'
import { registrationRoutes } from './routes/registration.ts'
import { ragRoutes } from './routes/rag.ts'
import { replayRoutes } from './routes/replay.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { searchRoutes } from './routes/search.ts'
import { serviceRoutes } from './routes/services.ts'
import { settingsRoutes } from './routes/settings.ts'
import { slaBoardRoutes } from './routes/sla-board.ts'
import { slaCalendarRoutes } from './routes/sla-calendars.ts'
import { slaPolicyRoutes } from './routes/sla-policies.ts'
import { slaRoutes } from './routes/sla.ts'
import { suggestionRoutes } from './routes/suggestions.ts'
import { ticketAiRoutes } from './routes/ticket-ai.ts'
import { ticketBulkRoutes } from './routes/ticket-bulk.ts'
import { ticketDigestRoutes } from './routes/ticket-digest.ts'
import { ticketHistoryRoutes } from './routes/ticket-history.ts'
import { ticketMoveRoutes } from './routes/ticket-moves.ts'
import { ticketRelationRoutes } from './routes/ticket-relations.ts'
import { ticketRuleRoutes } from './routes/ticket-rules.ts'
import { ticketTagRoutes } from './routes/ticket-tags.ts'
import { ticketSimilarRoutes } from './routes/ticket-similar.ts'
import { ticketRoutes } from './routes/tickets.ts'
import { triageRoutes } from './routes/triage.ts'
import { ticketViewRoutes } from './routes/ticket-views.ts'
import { twoFactorRoutes } from './routes/two-factor.ts'
import { userRoutes } from './routes/users.ts'
import { factorSeal } from './second-factor.ts'
import { webhookDeliveryRoutes } from './routes/webhook-deliveries.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { workerRoutes } from './routes/workers.ts'
import type { Services } from './services.ts'
import { accessTokens, apiTokenOf } from './tokens.ts'
import { answerUnreadable } from './unreadable.ts'

const PREFIX = '/api/v1'
const REQUEST_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 72_000
/** A database that neither answers nor refuses must not hold a caller for ever. */
const HANDLER_TIMEOUT_MS = 30_000

export interface ServerDeps {
  config: Config
  database: Database
  /** Signs access tokens; 32 characters at least. */
  secret: string
  log: Logger
  /** Where the built console lies; without it there is none. */
  consoleDirectory?: string | undefined
}

/** The HTTP server, complete and not listening. Closing it does not close the database. */
export async function buildServer({ config, database, secret, log, consoleDirectory }: ServerDeps): Promise<FastifyInstance> {
  const tokens = accessTokens(secret)
  const services: Services = {
    config,
    database,
    log,
    tokens,
    bearers: readBearers(database.system, tokens),
    factorSeal: factorSeal(secret),
    mails: accountMails(config),
    apiToken: (id) => apiTokenOf(secret, id),
    notifier: startNotifier(database.system, log),
    gauges: startGauges(database, log),
  }
  const loggerInstance: FastifyBaseLogger = log
  const app: FastifyInstance = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    handlerTimeout: HANDLER_TIMEOUT_MS,
    return503OnClosing: false,
    trustProxy: config.TRUSTED_PROXIES.length > 0 ? config.TRUSTED_PROXIES : false,
    genReqId: ({ headers }) => /^[\w-]{8,64}$/.exec(String(headers['x-request-id'] ?? ''))?.[0] ?? randomUUID(),
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
    clientErrorHandler: answerUnreadable,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('onClose', async () => {
    services.gauges.stop()
    await services.notifier.idle()
  })
  await addPlugins(app, services)
  await addRoutes(app, services)
  if (consoleDirectory) await serveConsole(app, consoleDirectory)
  return app
}

/** In the order in which a request meets them. */
async function addPlugins(app: FastifyInstance, { log, bearers }: Services): Promise<void> {
  await app.register(sensible)
  answerWithProblems(app)
  answerOldPaths(app)
  traceRequests(app)
  observe(app, log)
  await hardenHeaders(app)
  await limitRates(app)
  requireAuthority(app, bearers)
  readBodiesStrictly(app)
  await document(app)
}

async function addRoutes(app: FastifyInstance, services: Services): Promise<void> {
  const options = { services, prefix: PREFIX }
  for (const routes of [
    authRoutes,
    registrationRoutes,
    passwordRoutes,
    twoFactorRoutes,
    recoveryCodeRoutes,
    apiTokenRoutes,
    mailboxRoutes,
    settingsRoutes,
    organizationRoutes,
    userRoutes,
    auditRoutes,
    ticketRoutes,
    ticketMoveRoutes,
    ticketBulkRoutes,
    ticketViewRoutes,
    ticketTagRoutes,
    ticketRelationRoutes,
    serviceRoutes,
    agentGroupRoutes,
    ticketRuleRoutes,
    cannedResponseRoutes,
    searchRoutes,
    ticketHistoryRoutes,
    ticketDigestRoutes,
    commentRoutes,
    presenceRoutes,
    attachmentRoutes,
    ticketAiRoutes,
    triageRoutes,
    suggestionRoutes,
    aiRoutes,
    slaRoutes,
    slaBoardRoutes,
    slaCalendarRoutes,
    slaPolicyRoutes,
    kbCategoryRoutes,
    kbArticleRoutes,
    kbArticleChangeRoutes,
    kbVoteRoutes,
    kbFeedbackRoutes,
    ragRoutes,
    ticketSimilarRoutes,
    jobRoutes,
    jobEnqueueRoutes,
    jobMoveRoutes,
    jobBulkRoutes,
    jobViewRoutes,
    replayRoutes,
    engineRoutes,
    workerRoutes,
    machineFlowRoutes,
    machineThingRoutes,
    databaseHealthRoutes,
    scheduleRoutes,
    queueHistoryRoutes,
    queueRoutes,
    metricsRoutes,
    eventRoutes,
    webhookRoutes,
    webhookDeliveryRoutes,
    deskMetricsRoutes,
  ]) {
    await app.register(routes, options)
  }
  await app.register(healthRoutes({ probes: false }), options)
  await app.register(healthRoutes({ probes: true }), { services })
  await app.register(metricsRoutes, { services })
}
