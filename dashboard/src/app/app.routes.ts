import { Type } from '@angular/core';
import { Route, Routes } from '@angular/router';

import { named, only, toLanding } from './core/guards';
import { UUID } from './core/uuid';

const NUMBER = /^[1-9]\d{0,17}$/;

/** A page for admins only. */
function forAdmins(path: string, title: string, load: () => Promise<Type<unknown>>): Route {
  return { path, title, canMatch: [only('admin')], loadComponent: load };
}

/** A page for admins about one thing. An address whose last part is not an id of such a thing is not found. */
function aboutOne(path: string, title: string, id: RegExp, load: () => Promise<Type<unknown>>): Route {
  return { ...forAdmins(path, title, load), canMatch: [named(id), only('admin')] };
}

/** A page for every role. */
function forAll(path: string, title: string, load: () => Promise<Type<unknown>>): Route {
  return { path, title, canMatch: [only('admin', 'user')], loadComponent: load };
}

export const routes: Routes = [
  { path: '', pathMatch: 'full', canActivate: [toLanding], children: [] },
  { path: 'login', title: 'Log in', loadComponent: async () => (await import('./login/login')).Login },
  {
    path: '',
    loadComponent: async () => (await import('./shell/shell')).Shell,
    children: [
      forAdmins('admin', 'Overview', async () => (await import('./overview/overview')).Overview),
      forAdmins('new-job', 'New job', async () => (await import('./new-job/new-job')).NewJob),
      forAdmins(
        'new-pipeline',
        'New pipeline',
        async () => (await import('./new-pipeline/new-pipeline')).NewPipeline,
      ),
      forAdmins('pipelines', 'Pipelines', async () => (await import('./pipelines/pipelines')).Pipelines),
      forAdmins(
        'pipelines/:name',
        'Pipeline',
        async () => (await import('./pipeline/pipeline')).PipelinePage,
      ),
      forAdmins('runs', 'Runs', async () => (await import('./runs/runs')).Runs),
      forAdmins(
        'runs/compare',
        'Compare runs',
        async () => (await import('./run-compare/run-compare')).RunCompare,
      ),
      forAdmins('runs/follow', 'Follow runs', async () => (await import('./follow/follow')).Follow),
      aboutOne('runs/:id', 'Run', UUID, async () => (await import('./run/run')).RunPage),
      forAdmins('backfills', 'Backfills', async () => (await import('./backfills/backfills')).Backfills),
      aboutOne(
        'backfills/:id',
        'Backfill',
        UUID,
        async () => (await import('./backfills/backfill')).BackfillPage,
      ),
      forAdmins('schedules', 'Schedules', async () => (await import('./schedules/schedules')).Schedules),
      forAdmins('config-history', 'Configs', async () => (await import('./configs/configs')).Configs),
      forAdmins('config-history/compare', 'Compare', async () => (await import('./configs/compare')).Compare),
      aboutOne('config-history/:id', 'Config', NUMBER, async () => (await import('./configs/config')).Config),
      forAdmins('quarantine', 'Quarantine', async () => (await import('./quarantine/quarantine')).Quarantine),
      forAdmins('logs', 'Logs', async () => (await import('./logs/logs')).Logs),
      forAdmins('workers', 'Workers', async () => (await import('./workers/workers')).Workers),
      forAdmins('retention', 'Retention', async () => (await import('./retention/retention')).Retention),
      forAdmins('users', 'Users', async () => (await import('./users/users')).Users),
      forAdmins('secrets', 'Secrets', async () => (await import('./secrets/secrets')).Secrets),
      forAdmins(
        'notifications',
        'Notifications',
        async () => (await import('./notifications/notifications')).Notifications,
      ),
      forAdmins('audit', 'Audit', async () => (await import('./audit/audit')).Audit),
      forAll('user', 'Home', async () => (await import('./home/home')).Home),
      forAll('data-view', 'Data', async () => (await import('./data/data-view')).DataView),
      forAll(
        'upload-config',
        'Upload config',
        async () => (await import('./upload/upload-config')).UploadConfig,
      ),
      forAll('files', 'Files', async () => (await import('./files/files')).Files),
      forAll('api-tokens', 'API tokens', async () => (await import('./tokens/tokens')).Tokens),
      forAll('coverage', 'Coverage', async () => (await import('./coverage/coverage')).Coverage),
      forAll('account', 'Account', async () => (await import('./account/account')).Account),
      forAll('forbidden', 'Not allowed', async () => (await import('./shell/forbidden')).Forbidden),
      forAll('**', 'Not found', async () => (await import('./shell/not-found')).NotFound),
    ],
  },
];
