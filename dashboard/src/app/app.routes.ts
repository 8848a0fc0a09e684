import { Routes } from '@angular/router';

import { only, toLanding } from './core/guards';

const everybody = [only('admin', 'user')];

export const routes: Routes = [
  { path: '', pathMatch: 'full', canActivate: [toLanding], children: [] },
  { path: 'login', title: 'Log in', loadComponent: async () => (await import('./login/login')).Login },
  {
    path: '',
    canMatch: [() => true],
    loadComponent: async () => (await import('./shell/shell')).Shell,
    children: [
      {
        path: 'forbidden',
        title: 'Not allowed',
        canMatch: everybody,
        loadComponent: async () => (await import('./shell/forbidden')).Forbidden,
      },
      {
        path: '**',
        title: 'Not found',
        canMatch: everybody,
        loadComponent: async () => (await import('./shell/not-found')).NotFound,
      },
    ],
  },
];
