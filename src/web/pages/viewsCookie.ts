/** A cookie that holds no secret: names and queries of saved views. */
export const VIEWS_COOKIE = "renewd_views";
