export { blstBls } from './blst.ts';
